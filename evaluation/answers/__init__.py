"""How written answers are judged."""
