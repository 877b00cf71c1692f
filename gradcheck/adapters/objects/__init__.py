"""Layer objects: parameters and gradients found inside them, or declared."""
