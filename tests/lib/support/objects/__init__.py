"""Layer objects in the manners in which people write them, all the same affine layer where nothing else is said."""
