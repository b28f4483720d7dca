"""What is drawn without a browser: plain values, safe HTML, SVG."""
