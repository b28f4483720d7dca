"""What is logged and is no number: pictures, sound, pages, clouds, figures, tables."""
