"""What picks are worth on labelled data, by learners that do not select."""
