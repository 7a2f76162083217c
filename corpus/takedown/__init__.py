"""New versions of stage folders without what was taken down."""
