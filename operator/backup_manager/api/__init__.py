"""One definition of each custom resource; what is generated from it is never edited by hand."""
