"""What a person sees: a pure spec of the board, drawn live or as static HTML."""
