"""The order of the stages: Prefect flows, the command line and the report."""
