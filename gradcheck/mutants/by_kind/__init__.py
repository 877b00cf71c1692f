"""What backward passes of each family of kinds get wrong."""
