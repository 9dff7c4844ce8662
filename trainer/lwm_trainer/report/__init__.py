"""A report as one HTML file: what a page says, and the page. A stage's end writes one beside its checkpoint; `lwm report` writes any."""
