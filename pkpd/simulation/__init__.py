"""Model x doses x people -> xarray: the place where names meet arrays."""
