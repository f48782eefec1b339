"""What visitors say of the steps of a comparison or list: one by one, or in pairs without names."""
