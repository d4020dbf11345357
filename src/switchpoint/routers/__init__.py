"""One choice before generation: estimates in, a Decision out."""
