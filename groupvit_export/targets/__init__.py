"""A folder a target; `registry` has the table."""
