"""Pages that need nothing but themselves: templates, and charts as images inside."""
