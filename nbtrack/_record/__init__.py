"""What one ``log()`` call means: pure functions of values."""
