"""The `modelcompat` command."""
