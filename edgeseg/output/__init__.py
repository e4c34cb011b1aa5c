"""Terminal, HTML pages, plots; native chatter kept off them."""
