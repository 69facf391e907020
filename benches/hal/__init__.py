"""What biased dynamics cost, and what the structures that they find are worth."""
