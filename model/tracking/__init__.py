"""What MLflow is told of trainings, crawls and finished stages."""
