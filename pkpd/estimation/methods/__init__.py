"""Methods of estimation: each is the class of its options and what it does with a problem."""
