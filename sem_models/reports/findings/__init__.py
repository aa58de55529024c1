"""What each section of a study says: results in, sentences, tables and charts out. One module a section."""
