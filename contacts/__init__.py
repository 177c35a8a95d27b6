"""Staff, departments, customers and their ties: the company's own record."""
