"""Time pkpd against its peers on the same workloads, in the same run."""
