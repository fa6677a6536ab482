"""Numbers only: expressions, machine code and solvers; all that is compiled is below this folder."""
