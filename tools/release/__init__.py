"""What a release needs, checked before it is made."""
