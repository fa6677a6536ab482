"""Machine code: models as LLVM vector functions for the host processor."""
