"""The demo's small web, made of the documentation of the installed Python packages."""
