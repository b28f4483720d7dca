"""What is recorded without being asked."""
