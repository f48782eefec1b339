"""What goes over the line: requests out, frames and errors back, in whatever form servers have for them."""
