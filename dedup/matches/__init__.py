"""The exact direction: benchmark texts are indexed, the training split streams past them."""
