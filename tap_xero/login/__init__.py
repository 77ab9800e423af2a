"""Who the tap is: tokens, and the organisations that they reach."""
