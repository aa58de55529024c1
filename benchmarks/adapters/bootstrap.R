# Seconds of lavaan's bootstrap of one fit. Arguments: folder (data.csv, model.txt), draws, missing
arguments <- commandArgs(trailingOnly = TRUE)
suppressPackageStartupMessages(library(lavaan))
folder <- arguments[1]
draws <- as.integer(arguments[2])
data <- read.csv(file.path(folder, "data.csv"))
model <- paste(readLines(file.path(folder, "model.txt")), collapse = "\n")
fit <- sem(model, data, missing = arguments[3])
invisible(suppressWarnings(bootstrapLavaan(fit, R = min(draws, 5L))))
begin <- Sys.time()
invisible(suppressWarnings(bootstrapLavaan(fit, R = draws)))
cat(as.numeric(difftime(Sys.time(), begin, units = "secs")))
