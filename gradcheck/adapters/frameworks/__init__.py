"""What is written in torch, JAX, autograd or thinc; a framework is imported when something of it is adapted."""
