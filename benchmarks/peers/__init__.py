"""The contenders: each module turns a workload into a function that simulates it."""
