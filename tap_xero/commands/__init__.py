"""What a person calls, and what a person sees."""
