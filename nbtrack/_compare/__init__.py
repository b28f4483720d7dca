"""What differs between runs: pure functions of plain values."""
