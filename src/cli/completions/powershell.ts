/** Completions for PowerShell, 5.1 and later. Where they name nothing, PowerShell completes files. */
import { type Flag, SERVERLESS, spellings, type Words } from "./words.ts";

/** Returns the script. */
export function renderPowerShell({ commands, serverFlags, negations, runFlags, probeFlags, shells }: Words): string {
  const choices = serverFlags.filter(({ value }) => typeof value !== "string");
  return `# Completions of httpserver for PowerShell. For this shell:
#   httpserver completions powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName httpserver, httpserver.exe -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = [ordered]@{
${commands.map(({ name, summary }) => pair(name, summary)).join("\n")}
  }
  $server = [ordered]@{
${table(serverFlags)}
  }
  $run = [ordered]@{
${table(runFlags)}
  }
  $negations = [ordered]@{
${table(negations)}
  }
  $probe = [ordered]@{
${table(probeFlags)}
  }
  $choices = @{
${choices
  .map((flag) =>
    spellings(flag)
      .map((form) => choicePair(form, flag))
      .join("\n"),
  )
  .join("\n")}
  }
  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $command = if ($words.Count -gt 1) { $words[1] } else { '' }
  $previous = $words[-1]
  if ($command -eq 'run' -and $words -contains '--') { return }
  $offered = [ordered]@{}
  if ($choices.ContainsKey($previous) -and $command -notin ${SERVERLESS.map(quoted).join(", ")}) {
    foreach ($choice in $choices[$previous]) { $offered[$choice] = $choice }
  } elseif ($command -eq 'completions') {
    foreach ($shell in ${shells.map(quoted).join(", ")}) { $offered[$shell] = $shell }
  } elseif ($command -eq 'probe') {
    $offered = $probe
  } elseif ($command -eq 'hash-password') {
    return
  } elseif ($wordToComplete -like '--n*') {
    $offered = $negations
  } elseif ($wordToComplete -like '-*') {
    foreach ($name in $server.Keys) { $offered[$name] = $server[$name] }
    if ($command -eq 'run') { foreach ($name in $run.Keys) { $offered[$name] = $run[$name] } }
  } elseif ($words.Count -le 1) {
    $offered = $commands
  }
  foreach ($name in $offered.Keys) {
    if ($name -notlike "$wordToComplete*") { continue }
    [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $offered[$name])
  }
}
`;
}

function table(flags: readonly Flag[]): string {
  return flags.map(({ name, help }) => pair(`--${name}`, help)).join("\n");
}

function pair(name: string, text: string): string {
  return `    ${quoted(name)} = ${quoted(text)}`;
}

function choicePair(form: string, { value }: Flag): string {
  return `    ${quoted(form)} = ${(value as readonly string[]).map(quoted).join(", ")}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
