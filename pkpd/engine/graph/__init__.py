"""Expression graph: what a traced model function leaves behind."""
