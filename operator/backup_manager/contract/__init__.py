"""What those who ask and the engine that answers say to each other: pure, versioned data."""
