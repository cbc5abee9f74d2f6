"""What is asked, and how a reply is read: templates, rendering, reply schemas, parsing."""
