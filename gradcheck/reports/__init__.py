"""What a check found, as data (`report`), and that data as text, JSON and JUnit XML."""
