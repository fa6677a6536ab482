"""One patient, given what is known of others."""
