"""What hardware platforms require of a pod: tables with their sources, and pure functions over them."""
