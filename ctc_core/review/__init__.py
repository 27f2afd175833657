"""What a reader is told of one candidate, and which candidates are asked for: between the store and the review page."""
