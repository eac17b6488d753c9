"""A draft model made of its target: cut deep, then taught what the target says to the user's own prompts."""
