"""The parts of the enriching interceptor: whom a fact is about, tables, hours, lookups."""
