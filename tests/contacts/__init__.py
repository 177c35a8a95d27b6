"""Staff, customers and their ties."""
