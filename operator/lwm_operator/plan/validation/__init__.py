"""What is refused or warned about before anything is scheduled."""
