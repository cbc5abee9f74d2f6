"""`omnimer annotators`: agreement of annotators and consensus labels, of any CSV and of the EmoS release."""
