"""What agents did and saw, taken down in the generator and judged by the rules of `specs.history` in a process of its own."""
