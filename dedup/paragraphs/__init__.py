"""Documents -> documents without the paragraphs that many of them share."""
