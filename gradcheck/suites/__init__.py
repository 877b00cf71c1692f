"""What a kind of layer is, what a layer cannot do, and the cases that a suite has."""
