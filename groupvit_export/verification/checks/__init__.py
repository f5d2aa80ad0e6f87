"""The sections of a verification, a file each."""
