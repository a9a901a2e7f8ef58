"""What is measured of a prediction: an answer of one or several tokens, a foil, and a metric over their probabilities."""
